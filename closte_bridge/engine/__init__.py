"""The engine: look at both sides, plan, apply, and write down what happened. The only place where the parts meet."""
