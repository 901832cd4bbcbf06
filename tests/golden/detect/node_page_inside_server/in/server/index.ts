import express from "express";
const app = express();
app.listen(parseInt(process.env.PORT || "5000"));
