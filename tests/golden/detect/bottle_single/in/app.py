from bottle import Bottle, run
app = Bottle()
run(app, host='0.0.0.0', port=8080)
