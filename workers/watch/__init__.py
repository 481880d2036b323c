"""Detection by what users see: burn rates of the catalog's objectives, sent on as Alertmanager would."""
