"""The webhook configurations of hotpeers: their caBundle, and the accounts that they match."""
