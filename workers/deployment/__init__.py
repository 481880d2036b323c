"""The builds of Sternway that Temporal knows: joining them, seeing how they stand, going from one to the next."""
