"""What several rooms of solvers use; it imports none of them."""
