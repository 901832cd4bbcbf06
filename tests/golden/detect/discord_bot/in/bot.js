const { Client } = require('discord.js');
const c = new Client({ intents: [] });
c.login(process.env.DISCORD_TOKEN);
