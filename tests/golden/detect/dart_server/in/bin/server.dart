import 'dart:io';
import 'package:shelf/shelf_io.dart';
void main() async {
  final port = int.parse(Platform.environment['PORT'] ?? '8080');
  await serve(handler, InternetAddress.anyIPv4, port);
}
