fetch('/api/items')
