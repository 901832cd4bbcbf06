import express from "express";

const app = express();
app.get("/", (request, response) => response.json({ ok: true }));
app.listen(process.env.PORT || 3000);
