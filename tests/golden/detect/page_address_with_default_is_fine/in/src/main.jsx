const api = import.meta.env.VITE_API_URL || 'http://localhost:5000';
fetch(api);
