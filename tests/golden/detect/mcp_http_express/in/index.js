import express from 'express';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
const app=express();
app.post('/mcp',()=>{});
app.listen(process.env.PORT || 3000);
