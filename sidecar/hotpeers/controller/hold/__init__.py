"""The webhook that holds rollouts, and the leader's work on held Deployments."""
