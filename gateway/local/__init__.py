"""The product on one machine: an embedded S3, a development issuer, CloudFront's behaviour."""
