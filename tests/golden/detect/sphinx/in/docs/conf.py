project = 'x'
extensions = []
