"""Recovery from the loss of Sternway itself: what an incident has left behind, and taking it back."""
