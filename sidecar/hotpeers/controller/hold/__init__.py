"""The webhook that holds rollouts, and what the leader does about held Deployments."""
