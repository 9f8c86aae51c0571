DROP TABLE cluster_node;
DROP TABLE room_command;
DROP TABLE room_event;
DROP TABLE room_owner;
