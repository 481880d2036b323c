"""The way in: alerts and applications' reports become durable deliveries, and those become incidents."""
