"""Records of how every artifact was made: written by the jobs, asked by reruns and audits."""
