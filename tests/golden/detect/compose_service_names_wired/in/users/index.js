const app=require('express')();
app.get('/health',(q,r)=>r.send('ok'));
app.listen(process.env.PORT||3001);
