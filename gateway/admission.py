"""Who, under which policy, may they: the corridor every request walks."""
