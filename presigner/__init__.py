"""The backend that hands out signed URLs."""
