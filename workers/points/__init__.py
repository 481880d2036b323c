"""Keeps rollback points: makes one of what has been healthy, checks them again, and ends holds that are over."""
