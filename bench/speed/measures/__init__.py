"""What is measured: each module runs its sides in turn and returns figures."""
