DROP TABLE app_password;
DROP TABLE location;
DROP TABLE circle_invite;
DROP TABLE circle_member;
DROP TABLE circle;
