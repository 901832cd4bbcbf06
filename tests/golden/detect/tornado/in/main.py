import tornado.web, tornado.ioloop

def make_app():
    return tornado.web.Application([])

if __name__ == '__main__':
    make_app().listen(8888)
    tornado.ioloop.IOLoop.current().start()
