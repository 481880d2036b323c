"""What Sternway says about itself: logs, traces and metrics, each behind one module."""
