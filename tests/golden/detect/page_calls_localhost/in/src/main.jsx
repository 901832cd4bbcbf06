fetch('http://localhost:5000/api/items').then(r => r.json());
