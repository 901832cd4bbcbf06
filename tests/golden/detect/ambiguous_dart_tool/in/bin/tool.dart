void main() { print('hi'); }
