"""The one decoder: a raw request becomes an intent."""
