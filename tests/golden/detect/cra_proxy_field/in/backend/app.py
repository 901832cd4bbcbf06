from flask import Flask
app = Flask(__name__)

@app.route('/api/users')
def users():
    return []

@app.route('/login', methods=['POST'])
def login():
    return ''

if __name__ == '__main__':
    app.run(port=5000)
