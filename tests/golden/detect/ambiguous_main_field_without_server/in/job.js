const axios = require('axios');
setInterval(() => axios.get('https://example.com'), 60000);
