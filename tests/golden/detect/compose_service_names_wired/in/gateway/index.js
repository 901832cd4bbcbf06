const express=require('express');const app=express();
const users=process.env.USERS_URL;
const orders=process.env.ORDERS_URL;
app.listen(process.env.PORT||8080);
