"""The stores on AWS: one DynamoDB table for any number of instances.

Each store is imported from its own module, so that an edge function, which counts alone, carries no other.
"""
