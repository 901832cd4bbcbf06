const express = require("express");
const app = express();
app.get("/api/tracks", (request, response) => response.json([]));
app.listen(7071);
