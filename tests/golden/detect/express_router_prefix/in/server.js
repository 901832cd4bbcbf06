const express = require('express');
const app = express();
const router = express.Router();
router.get('/health', (q, r) => r.send('ok'));
app.use('/api/v2', router);
app.listen(process.env.PORT);
