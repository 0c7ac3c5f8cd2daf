"""What the gateway does beside answering, as scheduled Lambda functions: nothing here is called by a client."""
