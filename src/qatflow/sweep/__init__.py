"""Many small trainings compared, by optimizer, strategy, architecture and seed: ranks, time to target, Pareto front."""
