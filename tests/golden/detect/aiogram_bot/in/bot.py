import asyncio, os
from aiogram import Bot, Dispatcher
async def main():
    await Dispatcher().start_polling(Bot(os.environ['BOT_TOKEN']))
if __name__ == '__main__':
    asyncio.run(main())
