"""Training on several devices or machines: who takes part, how they meet, what each one gets of a batch."""
