"""What runs in containers and answers: web servers, echoes, databases' front doors, Kubernetes' own test image."""
