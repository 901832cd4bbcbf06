const path=require('path');const Database=require('better-sqlite3');
const db=new Database(path.join(__dirname,'data','app.db'));
const express = require('express');
const app = express();
app.get('/api/health', (req, res) => res.send('ok'));
app.listen(process.env.PORT || 4000);
