import { createServer } from 'node:http';
import { createApp, toNodeListener } from 'h3';
const app=createApp();
createServer(toNodeListener(app)).listen(process.env.PORT || 3000);
