const app=require('express')();
const h=process.env.USERS_HOST;
app.listen(process.env.PORT||3002);
