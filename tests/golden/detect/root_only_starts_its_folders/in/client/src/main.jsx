fetch('/api/x')
