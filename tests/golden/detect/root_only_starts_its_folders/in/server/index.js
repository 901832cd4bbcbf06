const app=require('express')();
app.get('/api/x',()=>{});
app.listen(process.env.PORT||5000);
