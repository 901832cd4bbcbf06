<?php echo getenv('GREETING') ?: 'hi';
