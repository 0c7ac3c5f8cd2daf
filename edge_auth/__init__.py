"""The backend that authorises at CloudFront's edge."""
