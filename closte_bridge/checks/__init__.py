"""What a visitor meets: where a name leads, which certificate waits there, and what follows from it."""
