"""The embedded default: processes of this machine as a platform, and the stack that a demo or a test stands on."""
