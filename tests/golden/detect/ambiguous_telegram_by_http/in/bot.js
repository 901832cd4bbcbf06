const token = process.env.BOT_TOKEN;
setInterval(() => fetch(`https://api.telegram.org/bot${token}/getUpdates`), 5000);
