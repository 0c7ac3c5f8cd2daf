"""The paths of Uppy's Companion and of its signers, so that real clients work as they come from the registry.

A translation and no more: what Uppy asks for becomes the same intent, plan and upload as everybody's, and the answers
are in its words. Read from Companion 5.9 and 6.2 and @uppy/aws-s3 4.3, 5.1 and 6.3. The `key` and `uploadId` that these
clients carry are sealed values of ours.
"""
